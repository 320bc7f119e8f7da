/** An eager context of libtensorflow: the devices, threads and functions that ops run with. */
import { EngineError } from "../engine_error.ts";
import { type Device, findDevice } from "./device.ts";
import { type NativeLibrary, nonNull, type Pointer } from "./ffi.ts";
import { sessionConfig, type SessionOptions } from "./session_config.ts";
import { Status } from "./status.ts";

export class TensorFlowContext {
  readonly library: NativeLibrary;
  readonly pointer: Pointer;
  readonly device: Device;
  #running = 0;
  #close: (() => void) | undefined;
  #isDeleted = false;

  /** @throws {EngineError} if TensorFlow refuses the configuration or finds no device */
  constructor(library: NativeLibrary, options: SessionOptions) {
    if (!Number.isInteger(options.threads) || options.threads < 1) {
      throw new EngineError(
        `Cannot open the tensorflow engine with ${options.threads} threads: give a whole number ` +
          "from 1 on",
      );
    }
    this.library = library;
    const status = new Status(library);
    const contextOptions = nonNull(library.TFE_NewContextOptions(), "TFE_NewContextOptions");
    try {
      const config = sessionConfig(options);
      library.TFE_ContextOptionsSetConfig(
        contextOptions,
        config,
        BigInt(config.length),
        status.pointer,
      );
      status.check(() => "Cannot configure TensorFlow");
      const context = library.TFE_NewContext(contextOptions, status.pointer);
      status.check(() => "Cannot create a TensorFlow context");
      this.pointer = nonNull(context, "TFE_NewContext");
      this.device = findDevice(library, this.pointer, options.threads);
    } finally {
      library.TFE_DeleteContextOptions(contextOptions);
      status.delete();
    }
  }

  /** Whether `closeWhenIdle` was called: nothing new may start. */
  get isClosing(): boolean {
    return this.#close !== undefined;
  }

  /** Keeps the context alive during a call that runs off the event loop's thread. */
  async hold<T>(call: () => Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await call();
    } finally {
      this.#running--;
      this.#closeIfIdle();
    }
  }

  /**
   * Deletes the context once no call runs any more.
   * @param release frees what belongs to the context: tensor handles, functions
   */
  closeWhenIdle(release: () => void): void {
    this.#close ??= release;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#close === undefined || this.#running > 0 || this.#isDeleted) return;
    this.#isDeleted = true;
    this.#close();
    this.library.TFE_DeleteContext(this.pointer);
  }
}
