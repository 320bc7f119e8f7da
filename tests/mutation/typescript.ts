/** The one file that names the compiler's package. */
export { default as ts } from "typescript";
