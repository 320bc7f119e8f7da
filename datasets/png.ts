/** The one file that names the PNG library, for frames that are read and pictures that are made. */
export { decode as decodePng, encode as encodePng } from "fast-png";
