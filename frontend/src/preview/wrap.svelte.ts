import { remember, remembered } from "../ui/remembered";

/** Whether long lines are wrapped; remembered for every text to come. */
class WrapChoice {
  #on = $state(remembered("wrap") !== "off");

  get on(): boolean {
    return this.#on;
  }

  toggle(): void {
    this.#on = !this.#on;
    remember("wrap", this.#on ? undefined : "off");
  }
}

export const wrap = new WrapChoice();
