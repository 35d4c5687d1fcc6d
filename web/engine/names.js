// @ts-check
// What results are called.

/**
 * What the names of a scene's results begin with: the name of its first file, without the extension.
 *
 * @param {string} sceneName names of its files, with a comma and a space between them
 */
export function fileStem(sceneName) {
  return sceneName.split(", ")[0].replace(/\.[^.]+$/, "");
}
