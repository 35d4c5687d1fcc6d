// What a portal in TypeScript writes; it is checked, not run.

import { createSession, EngineError, type Result } from "raremap";
import { RareMap } from "raremap/element";
import { RareMapFrame, serveElement } from "raremap/bridge";

const session = await createSession({ backend: "cpu", signal: AbortSignal.timeout(1000), onProgress: ({ phase }) => phase });
await session.open("scene.tif");
await session.open([new File([], "B2.tif")], { name: "scene" });
const { grid, warnings } = await session.inspect();
const epsg: number | null | undefined = grid?.epsg;
const run = session.run({ threshold: 0.5, rare: ["water"], topK: 20, layer: "probability:water" });
for await (const { done, total, picture } of run) console.log(done / total, picture?.bitmap.width);
const result: Result = await run;
const values: Uint8Array = (await result.mask()).values;
const probability: Float32Array = (await result.probability("water", { window: { x: 0, y: 0, width: 1, height: 1 } })).values;
const hectares: (number | null)[] = (await result.areas({ threshold: 1 })).classes.map((row) => row.hectares);
const [west]: number[] = (await result.overlay("saliency")).bounds;
const file: File = await result.toGeoTIFF({ layer: "probability" });
session.free();

const map: RareMap = document.createElement("rare-map");
map.rare = ["water"];
map.threshold = 0.25;
serveElement(map, { origins: ["https://portal.example"] });
await new RareMapFrame(document.createElement("iframe")).run({ tile: 256 });

// @ts-expect-error a threshold is a number
session.run({ threshold: "high" });
// @ts-expect-error there is no such backend
await createSession({ backend: "quantum" });

export { EngineError, epsg, file, hectares, probability, values, warnings, west };
