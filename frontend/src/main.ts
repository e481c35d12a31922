import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./app.svelte";
import { prepare } from "./files/format";
import "./ui/base.css";

/** How long a page without rows is not worth drawing (ms): it would hold up the one that has them. */
const PATIENCE = 100;

const answered = start();
setTimeout(prepare); // in a task of its own, while the first rows are awaited
const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
void Promise.race([answered, late]).then(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
