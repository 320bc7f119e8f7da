/**
 * TF_Status as an exception. Blocking calls share one status; a call that runs off the event loop's
 * thread needs its own, since another call may fail meanwhile.
 */
import { EngineError } from "../engine_error.ts";
import { type NativeLibrary, nonNull, type Pointer, readCString } from "./ffi.ts";

export class Status {
  readonly pointer: Pointer;
  readonly #library: NativeLibrary;

  constructor(library: NativeLibrary) {
    this.#library = library;
    this.pointer = nonNull(library.TF_NewStatus(), "TF_NewStatus");
  }

  get failed(): boolean {
    return this.#library.TF_GetCode(this.pointer) !== 0;
  }

  /**
   * @param action what was tried, e.g. `Cannot run op "Add" on float32 [2]`; called on failure only
   * @throws {EngineError} with the action and TensorFlow's own message
   */
  check(action: () => string): void {
    if (!this.failed) return;
    // Read it first: the action may look at tensors, and that sets this status anew.
    const message = readCString(this.#library.TF_Message(this.pointer));
    throw new EngineError(`${action()}: ${message}`);
  }

  delete(): void {
    this.#library.TF_DeleteStatus(this.pointer);
  }
}
