// A portal as its bundler sees it: the API and the element, from the package, with nothing told about where the files lie.

import { createSession } from "raremap";
import "raremap/element";

/** Maps a scene with the API and with an element; gives the areas of both. */
window.mapScene = async (url) => {
  const session = await createSession({ backend: "cpu" });
  await session.open(url);
  const result = await session.run({ workers: 2 });
  const map = Object.assign(document.createElement("rare-map"), { backend: "cpu" });
  document.body.append(map);
  await map.open(url);
  await map.run();
  // The worker for graphics cards is in the bundle, too, and finds its wasm.
  const onCard = await createSession({ backend: "webgpu" });
  const devices = [session, onCard].map(({ model }) => model.backend);
  onCard.free();
  return { api: await result.areas(), element: map.areas, workers: result.workers, devices };
};
