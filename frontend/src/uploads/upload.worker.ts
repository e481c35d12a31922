import { Jobs } from "./jobs";

const jobs = new Jobs((report) => postMessage(report));
addEventListener("message", ({ data }) => jobs.take(data));
