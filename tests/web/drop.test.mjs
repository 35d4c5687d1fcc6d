import assert from "node:assert/strict";
import { test } from "node:test";

import { entriesOf } from "../../web/view/entries.js";

test("files of a folder dialog keep their path, others have their name", () => {
  const files = [
    { name: "BAND2.tif", webkitRelativePath: "L4/BAND2.tif" },
    { name: "scene.tif", webkitRelativePath: "" },
  ];
  assert.deepEqual(entriesOf(files).map(({ path, file }) => [path, file]), [["L4/BAND2.tif", files[0]], ["scene.tif", files[1]]]);
});
