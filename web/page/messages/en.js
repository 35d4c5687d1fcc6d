// @ts-check
// The page's sentences in English, the language that every other message file follows. {Names} in braces are filled in.

export const en = {
  offlineSaving: "Saving the page for use without a network.",
  offlineReady: "This page also works without a network.",
  offlineFailed: "The page could not be saved for use without a network. Reload it to try again.",
  offlineFull: "The browser's storage is full, so the page could not be saved for use without a network. Free some disk space, then reload the page.",
  offlineUpdateFull: "A newer version could not be saved because the browser's storage is full. This version works on.",
  offlineInsecure: "Opened over https, this page would also work without a network.",
  keep: "Keep it on this device",
  kept: "The browser will keep the page.",
  notKept: "The browser does not promise to keep the page: it may remove it when disk space runs out. Browsers keep pages that are installed or used often.",
  install: "Install",
  updateReady: "A new version is ready. Reload when you have saved your results.",
  updateReload: "Reload",
};
