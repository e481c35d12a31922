import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./app.svelte";
import "./ui/base.css";

start();
// In a task of its own: the request for the first rows goes out at the end of this one, and is answered meanwhile.
setTimeout(() => mount(App, { target: document.getElementById("app") as HTMLElement }));
