// A record page: its live parts follow the record; a form that is open is left alone.
import { live } from "./live.js";

live(document.querySelector("[data-live-source]"));
