/**
 * Every word the user reads, in English. Names follow the place where a sentence stands; a sentence with a number or a
 * name in it is a function. Another language is another function that gives an object of this shape.
 */
import type { Failure } from "../api/answer";
import type { FileKind, FileOrder } from "../api/documents";
import type { Deed } from "../keys/keys";
import { counting } from "./counting";
import { isolated } from "./direction";

const PROXY_ALONE = "The proxy in front of the server cannot reach it. Try again in a moment.";

const failures: Record<string, string> = {
  NETWORK: "The server cannot be reached. Check the connection, then try again.",
  UNREADABLE: "This browser could not read it. It may have been moved, or it may be a folder.",
  NOT_FOUND: "This file no longer exists.",
  INVALID_FILENAME: "The server cannot use this file name.",
  FILE_TOO_LARGE: "The file is larger than this server accepts.",
  PAYLOAD_TOO_LARGE: "The request is larger than this server accepts.",
  READ_ONLY: "Files can only be read on this server now.",
  HASH_MISMATCH: "The bytes were changed on the way. Try again.",
  IDEMPOTENCY_CONFLICT: "The file changed while it was being sent. Try again to send it as it is now.",
  LEASE_LOST: "The upload took a pause that was too long. Try again.",
  REQUEST_TIMEOUT: "The upload took too long to arrive. Try again, perhaps over a faster connection.",
  SHUTTING_DOWN: "The server is being restarted. Try again in a moment.",
  TOO_MANY_CONNECTIONS: "Too many connections come from this address. Try again in a moment.",
  INSUFFICIENT_STORAGE: "The server has no room left. Reading and deleting still work.",
  STORE_UNAVAILABLE: "The server’s file store does not answer. Try again in a moment.",
  DATABASE_UNAVAILABLE: "The server’s database does not answer. Try again in a moment.",
  STORE_INTEGRITY: "The stored bytes are not what they should be.",
  INTERNAL: "Something went wrong on the server.",
  CROSS_ORIGIN:
    "The server takes this page for another site’s. If there is a proxy in between, it must pass on the Host header.",
  UNKNOWN_HOST:
    "The server does not know the name in this address. Whoever runs it can add it to SATCHEL_ALLOWED_HOSTS.",
  HEADERS_TOO_LARGE: "The browser sends too many cookies along. Delete those of this address, then try again.",
  HTTP_413:
    "The proxy in front of the server takes no files this large. Whoever runs it can raise its limit (in nginx, client_max_body_size).",
  HTTP_502: PROXY_ALONE,
  HTTP_503: PROXY_ALONE,
  HTTP_504: PROXY_ALONE,
};

export function english(locale: string) {
  const { integer, percent, count } = counting(locale);
  return {
    product: "Satchel",

    upload: "Upload",
    uploadMore: "More ways to upload",
    uploadFiles: "Files…",
    uploadFolder: "A folder…",
    chooseFiles: "Choose files to upload",
    chooseFolder: "Choose a folder to upload",
    search: "Search",
    searchAmong: (files: number) => `Search ${count(files, "file", "files")}`,
    clearSearch: "Clear the search",
    themeDark: "Use the dark theme",
    themeLight: "Use the light theme",
    live: {
      connecting: "Connecting…",
      live: "Live",
      reconnecting: "Reconnecting…",
      offline: "Offline",
    },
    readOnly: "Read-only",
    readOnlyText: "Files can be looked at and downloaded here, not changed.",
    connectionLost: "The connection is lost. What changes meanwhile will show up when it is back.",

    kinds: "Kind",
    everyKind: "All",
    kind: {
      IMAGE: "Images",
      VIDEO: "Video",
      AUDIO: "Audio",
      PDF: "PDF",
      TEXT: "Text",
      ARCHIVE: "Archives",
      OTHER: "Other",
    } satisfies Record<FileKind, string>,
    totals: (files: number, logical: string, stored: string) =>
      `${count(files, "file", "files")} · ${logical}, ${stored} stored`,
    found: (found: number, files: number) => `${integer.format(found)} of ${count(files, "file", "files")}`,

    files: "Files",
    columns: { select: "Select", name: "Name", size: "Size", uploaded: "Uploaded", actions: "Actions" },
    order: "Order",
    orders: {
      UPLOAD_DATE_DESC: "Newest first",
      UPLOAD_DATE_ASC: "Oldest first",
      FILENAME_ASC: "Name A to Z",
      FILENAME_DESC: "Name Z to A",
      SIZE_DESC: "Largest first",
      SIZE_ASC: "Smallest first",
    } satisfies Record<FileOrder, string>,
    row: (name: string, size: string, uploaded: string) => `${name}, ${size}, ${uploaded}`,
    loadingRow: "Loading…",
    copies: (n: number) => count(n, "copy", "copies"),
    newAbove: (n: number) => `${integer.format(n)} new`,
    download: "Download",
    downloadFile: (name: string) => `Download ${name}`,
    delete: "Delete",
    number: (n: number) => integer.format(n),
    moreActions: "More actions",
    actionsFor: (name: string) => `More actions: ${name}`,
    rename: "Rename",
    newName: (name: string) => `New name of ${name}`,
    renamed: (name: string) => `Renamed to “${isolated(name)}”`,
    notRenamed: (name: string, why: string) => `It could not be called “${isolated(name)}” again. ${why}`,
    renamedGone: (name: string) => `“${isolated(name)}” was deleted while you were renaming it.`,
    slashInName: "A name cannot contain / or \\.",

    selection: "Selection",
    select: "Select",
    deselect: "Take out of the selection",
    selectFile: (name: string) => `Select ${name}`,
    selectAll: "Select all",
    selected: (n: number, of?: number) =>
      of === undefined || of <= n
        ? `${integer.format(n)} selected`
        : `${integer.format(n)} of ${integer.format(of)} selected`,
    clearSelection: "Clear the selection",
    copyLinks: "Copy links",
    linksCopied: (n: number) => (n === 1 ? "Link copied." : `${count(n, "link", "links")} copied.`),
    downloading: (n: number) =>
      `Downloading ${count(n, "file", "files")}, one after the other. If only the first one arrives, let this page download several files: the browser asks beside the address.`,

    stop: "Stop",

    keys: "Keyboard shortcuts",
    keyDeeds: {
      move: "Move to the list and through it",
      preview: "Open the preview",
      step: "Step to the file beside, in the preview",
      select: "Select, or let go",
      range: "Select a range",
      selectAll: "Select all that is loaded",
      rename: "Rename",
      delete: "Delete",
      download: "Download",
      copyLink: "Copy the link",
      undo: "Undo, or stop, while it is offered",
      search: "Search",
      upload: "Upload",
      escape: "Close, then clear the selection",
      keys: "Show these shortcuts",
    } satisfies Record<Deed, string>,
    keyNames: {
      ctrl: "Ctrl",
      shift: "Shift",
      home: "Home",
      end: "End",
      pageUp: "Page Up",
      pageDown: "Page Down",
      enter: "Enter",
      space: "Space",
      delete: "Delete",
      escape: "Esc",
    },
    retry: "Try again",
    previewLost: "The preview could not be loaded. Reload the page when the server can be reached again.",

    emptyTitle: "Nothing in the satchel yet",
    emptyText: "Drop files or folders anywhere on this page, paste a screenshot, or use the command line.",
    noResultTitle: "Nothing found",
    noResult: (search: string, kind: string | undefined) => {
      const place = kind ? `in ${kind}` : "among your files";
      return search ? `No name contains “${isolated(search)}” ${place}.` : `There is no file ${place}.`;
    },
    clearFilters: "Show all files",
    listFailed: "The files could not be loaded",
    listOld: "The files could not be loaded again.",
    pageFailed: "The next files could not be loaded.",

    dropTitle: "Drop to upload",
    dropText: "Files and whole folders",
    uploads: "Uploads",
    readingFolder: "Reading the folder…",
    uploading: (nth: number, all: number) => `Uploading ${integer.format(nth)} of ${integer.format(all)}`,
    uploaded: (n: number) => `${count(n, "upload", "uploads")} finished`,
    uploadsFailed: (failed: number, all: number) =>
      `${integer.format(failed)} of ${count(all, "upload", "uploads")} failed`,
    uploadsCancelled: "Uploads cancelled",
    uploadsPaused: "Waiting for the connection",
    uploadsGoOn: "They go on by themselves when it is back.",
    speed: (perSecond: string, left: string | undefined) => (left ? `${perSecond}/s · ${left} left` : `${perSecond}/s`),
    sentOf: (sent: string, size: string) => `${sent} of ${size}`,
    upState: {
      waiting: "Waiting",
      hashing: "Preparing…",
      sending: "Sending",
      storing: "Finishing…",
      retrying: "Trying again…",
      done: "Uploaded",
      stored: "Already stored",
      failed: "Failed",
      cancelled: "Cancelled",
    },
    totalProgress: "All uploads",
    cancel: "Cancel",
    cancelFile: (name: string) => `Cancel ${name}`,
    cancelAll: "Cancel all",
    retryFile: (name: string) => `Try again: ${name}`,
    retryFailed: "Retry failed",
    clearFinished: "Clear finished",
    collapse: "Collapse the uploads",
    expand: "Show the uploads",
    closeUploads: "Close the uploads",
    unreadable: (names: string[]) =>
      names.length === 1
        ? `“${isolated(names[0])}” could not be read.`
        : `${count(names.length, "item", "items")} could not be read.`,
    emptyFolder: (names: string[]) =>
      names.length === 1
        ? `The folder “${isolated(names[0])}” is empty.`
        : `${count(names.length, "folder is", "folders are")} empty.`,
    pastedName: (stamp: string, extension: string) => `Pasted ${stamp}.${extension}`,

    preview: "Preview",
    loading: "Loading…",
    previewTools: "Tools of the preview",
    previous: "Previous file",
    next: "Next file",
    place: (nth: number, of: number) => `${integer.format(nth)} of ${integer.format(of)}`,
    previewWidth: "Width of the preview",
    close: "Close",
    copyLink: "Copy link",
    copyHash: "Copy",
    copyHashOf: "Copy the SHA-256",
    copied: "Copied.",
    notCopied: "This browser does not let the page copy. Select the text instead.",
    noPreview: "There is no preview for this kind of file.",
    noPreviewOfScripts: "This document may run a script, so it is not opened here.",
    previewFailed: "This browser cannot show the file.",
    noPdfViewer: "This browser has no PDF viewer of its own.",
    openPdf: "Open the PDF",
    emptyFile: "The file is empty.",
    textCut: (shown: string, size: string) => `The first ${shown} of ${size} are shown.`,
    showMore: "Show more",
    wrap: "Wrap lines",
    picture: "Picture",
    zoomIn: "Zoom in",
    zoomOut: "Zoom out",
    percent: (share: number) => percent.format(share),
    fullSize: "Show at full size",
    fitSize: "Fit to the pane",
    gone: "This file was deleted. It can no longer be downloaded.",
    notThere: "There is no file at this address. It may have been deleted.",
    fileFailed: "The file could not be loaded",
    facts: { type: "Type", size: "Size", uploaded: "Uploaded", copies: "Copies", hash: "SHA-256" },
    exactBytes: (n: number) => `(${count(n, "byte", "bytes")})`,
    sharedBytes: (n: number) =>
      n === 1 ? "No other file shares these bytes" : `${integer.format(n)} files share these bytes`,
    sameBytes: "Files with these bytes",

    deleted: (names: string[]) =>
      names.length === 1 ? `Deleted “${isolated(names[0])}”` : `Deleted ${count(names.length, "file", "files")}`,
    undo: "Undo",
    notDeleted: (names: string[], why: string) =>
      names.length === 1
        ? `“${isolated(names[0])}” was not deleted. ${why}`
        : `${count(names.length, "file was", "files were")} not deleted. ${why}`,
    dismiss: "Dismiss",

    justNow: "Just now",
    minutesAgo: (n: number) => `${n} min ago`,
    hoursAgo: (n: number) => `${n} h ago`,
    yesterday: "Yesterday",
    onDay: (day: string, time: string) => `${day}, ${time}`,
    today: "Today",
    bytes: (n: number) => count(n, "byte", "bytes"),
    units: ["KB", "MB", "GB", "TB", "PB"],
    seconds: (n: number) => `${n} s`,
    minutes: (n: number) => `${n} min`,
    hours: (n: number, minutes: number) => (minutes ? `${n} h ${minutes} min` : `${n} h`),

    /** What happened and what to do, then the code for whoever is asked for help. */
    failure: ({ code, message }: Failure) => {
      const sentence = failures[code] ?? (message || "The server could not do this.");
      return `${sentence} (${code})`;
    },
  };
}

export type Words = ReturnType<typeof english>;
