/** The one file that names the PNG library, for pictures that are made. */
export { encode as encodePng } from "fast-png";
