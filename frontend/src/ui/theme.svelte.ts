import { remember } from "./remembered";

export type Theme = "light" | "dark";

/** As the system says until the reader chooses; a choice equal to the system's is forgotten. theme-early.js reads it first. */
export class ThemeChoice {
  #system = matchMedia("(prefers-color-scheme: dark)");
  #dark = $state(this.#system.matches);
  #chosen = $state(document.documentElement.dataset.theme as Theme | undefined);

  constructor() {
    this.#system.addEventListener("change", ({ matches }) => {
      this.#dark = matches;
    });
  }

  get current(): Theme {
    return this.#chosen ?? this.#ofSystem;
  }

  toggle(): void {
    const wanted = this.current === "dark" ? "light" : "dark";
    this.#chosen = wanted === this.#ofSystem ? undefined : wanted;
    if (this.#chosen) document.documentElement.dataset.theme = this.#chosen;
    else delete document.documentElement.dataset.theme;
    remember("theme", this.#chosen);
  }

  get #ofSystem(): Theme {
    return this.#dark ? "dark" : "light";
  }
}
