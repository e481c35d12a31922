import type { Attachment } from "svelte/attachments";

/** Hears when what had the focus in an element is gone, or the element with it, and nothing else took the focus. */
export function focusLost(heard: (element: HTMLElement) => void): Attachment<HTMLElement> {
  return (element) => {
    let holder: Node | undefined;
    // Whoever knows of a better place for the focus takes it first.
    const look = () =>
      setTimeout(() => {
        if (!holder || holder.isConnected) return;
        holder = undefined;
        if (document.activeElement === document.body) heard(element);
      });
    element.addEventListener("focusin", ({ target }) => {
      holder = target as Node;
    });
    // Some browsers tell of the focus that goes with its element, and some do not.
    element.addEventListener("focusout", ({ target }) => {
      queueMicrotask(() => {
        if (holder === target && holder?.isConnected) holder = undefined;
      });
    });
    const watcher = new MutationObserver(look);
    watcher.observe(element, { childList: true, subtree: true });
    return () => {
      watcher.disconnect();
      look();
    };
  };
}
