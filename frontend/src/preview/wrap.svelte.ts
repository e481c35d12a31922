const KEY = "satchel.wrap";

/** Whether long lines are wrapped; remembered for every text to come. */
class WrapChoice {
  #on = $state(stored() !== "off");

  get on(): boolean {
    return this.#on;
  }

  toggle(): void {
    this.#on = !this.#on;
    try {
      if (this.#on) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, "off");
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  }
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export const wrap = new WrapChoice();
