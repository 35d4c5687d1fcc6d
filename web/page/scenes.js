// @ts-check
// Which of the files that came together are a scene. Opened together, files are one: the engine reads them as the bands of a product, or says
// that they are several. This is how they are then taken apart.

/** @typedef {import("../engine/messages.js").Entry} Entry */

const IMAGE = /\.(tiff?|gtiff|btf|tf8|jp2|j2k|jpx)$/i;
const ARCHIVE = /\.zip$/i;
/** The band in a file's name, and what follows it: `_SR_B4`, `_B04_10m`, `BAND2`; and a product's other files. */
const BAND = /[._\- ]*(?:(?:sr|toa|st|qa|ta|bt)[._\- ]?)?(?:b|band)[._\- ]?(?:\d{1,2}|8a)(?=$|[._\- ]).*$/i;
const QUALITY = /[._\- ](?:qa|scl|aot|wvp|tci|fmask|vaa|vza|saa|sza)(?:[._\- ].*)?$/i;

/** @param {Entry} entry */
const isArchive = ({ path }) => ARCHIVE.test(path);

/** What the files of a scene have in common: their name without the band. @param {string} name */
function stemOf(name) {
  const stem = name.replace(/\.[^.]+$/, "");
  return stem.replace(BAND, "").replace(QUALITY, "");
}

/** Archives are scenes of their own, so nobody can mean them to be one with what came beside them. @param {Entry[]} entries */
export function areApart(entries) {
  return entries.length > 1 && entries.some(isArchive);
}

/**
 * Takes files apart into scenes: each archive is one, each folder, and of the files beside each other those whose names differ by the band
 * alone, with the files that describe them. Folders around all of them are left out of the paths.
 *
 * @param {Entry[]} entries
 * @returns {Entry[][]} with an image or an archive in each; those without one are left out
 */
export function scenesOf(entries) {
  const folders = entries.map(({ path }) => path.split("/").slice(0, -1));
  const shared = folders.reduce((shared, folder) => {
    const differs = shared.findIndex((part, i) => part !== folder[i]);
    return differs < 0 ? shared : shared.slice(0, differs);
  }, folders[0] ?? []);
  // A folder by itself gives its scene the name.
  const around = scenesIn(entries, shared.length).length > 1 ? shared.length : 0;
  const named = entries.map(({ path, file }) => ({ path: path.split("/").slice(around).join("/"), file }));
  return scenesIn(named, shared.length - around);
}

/** @param {Entry[]} entries @param {number} depth how many folders are around all of them */
function scenesIn(entries, depth) {
  /** @type {Map<string, Entry[]>} */
  const scenes = new Map();
  /** @type {[string, Entry][]} */
  const beside = [];
  const add = (/** @type {string} */ key, /** @type {Entry} */ entry) => scenes.set(key, [...(scenes.get(key) ?? []), entry]);
  for (const entry of entries) {
    const [folder, ...rest] = entry.path.split("/").slice(depth);
    const name = rest.at(-1) ?? folder;
    if (isArchive(entry)) add(`archive ${entry.path}`, entry);
    else if (rest.length > 0) add(`folder ${folder}`, entry);
    else if (IMAGE.test(name)) add(`files ${stemOf(name).toLowerCase()}`, entry);
    else beside.push([name.toLowerCase(), entry]);
  }
  // What describes an image begins with its name, or with what those of its product have in common.
  for (const [name, entry] of beside) {
    const keys = [...scenes.keys()].filter((key) => key.startsWith("files ") && name.startsWith(key.slice(6)));
    const nearest = keys.toSorted((a, b) => b.length - a.length)[0];
    if (nearest !== undefined) add(nearest, entry);
  }
  return [...scenes.values()].filter((scene) => scene.some((entry) => isArchive(entry) || IMAGE.test(entry.path)));
}
