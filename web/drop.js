// @ts-check
// A file may be dropped anywhere on the page; the drop zone only says so.

/** @param {(file: File) => void} onFile */
export function acceptDrops(onFile) {
  // Enter and leave events come for every element on the way: the file is gone when as many left as entered.
  let depth = 0;
  /** @param {number} next */
  const setDepth = (next) => {
    depth = Math.max(0, next);
    document.body.classList.toggle("dropping", depth > 0);
  };
  addEventListener("dragenter", (event) => {
    if (event.dataTransfer?.types.includes("Files")) setDepth(depth + 1);
  });
  addEventListener("dragleave", () => setDepth(depth - 1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    setDepth(0);
    const [file] = event.dataTransfer?.files ?? [];
    if (file) onFile(file);
  });
}
