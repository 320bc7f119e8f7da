/**
 * Record mode: the ops that kernels execute become nodes of a TF_Graph, which `finish` turns into
 * one TensorFlow function. TensorFlow's own shape inference gives each node's shape, so tfjs and its
 * gradient tape run on recorded tensors as on real ones.
 */
import { EngineError } from "../engine_error.ts";
import type { TensorFlowContext } from "./context.ts";
import { describeTensor } from "./data_types.ts";
import { cName, type NativeLibrary, nonNull, type Pointer } from "./ffi.ts";
import { newNativeTensor, type TensorSource } from "./native_tensor.ts";
import {
  type AttributeSetters,
  AttributeType,
  graphSetters,
  type OpAttribute,
  setAttribute,
} from "./op_attribute.ts";
import type { OpDefinitions } from "./op_definition.ts";
import type { OpRunner, TensorIds, TensorMetadata } from "./op_runner.ts";
import { Status } from "./status.ts";

/** TF_Output: {TF_Operation* oper; int index}, padded to 16 bytes. */
const TF_OUTPUT_BYTES = 16;

interface Node extends TensorMetadata {
  readonly opName: string;
  readonly output: Uint8Array<ArrayBuffer>;
}

export class Recorder implements OpRunner {
  readonly #name: string;
  readonly #library: NativeLibrary;
  readonly #ids: TensorIds;
  readonly #definitions: OpDefinitions;
  readonly #graph: Pointer;
  readonly #status: Status;
  readonly #setters: AttributeSetters;
  readonly #nodes = new Map<number, Node>();
  readonly #live = new Set<number>();
  #operations = 0;

  /** @param name what error messages call the function */
  constructor(
    name: string,
    { library }: TensorFlowContext,
    ids: TensorIds,
    definitions: OpDefinitions,
  ) {
    this.#name = name;
    this.#library = library;
    this.#ids = ids;
    this.#definitions = definitions;
    this.#graph = nonNull(library.TF_NewGraph(), "TF_NewGraph");
    this.#status = new Status(library);
    this.#setters = graphSetters(library);
  }

  /** Recorded tensors that tfjs has not disposed. */
  get liveTensors(): ReadonlySet<number> {
    return this.#live;
  }

  has(id: number): boolean {
    return this.#nodes.has(id);
  }

  /** An argument of the function. */
  placeholder(dtype: number, shape: readonly number[]): TensorMetadata {
    return this.#record(
      "Placeholder",
      [
        { name: "dtype", type: AttributeType.type, value: dtype },
        { name: "shape", type: AttributeType.shape, value: shape },
      ],
      [],
      1,
    )[0];
  }

  /** A constant of the function. */
  createTensor(shape: readonly number[], dtype: number, values: TensorSource): number {
    const library = this.#library;
    const tensor = newNativeTensor(library, dtype, shape, values);
    const description = this.#newOperation("Const");
    library.TF_SetAttrType(description, cName("dtype"), dtype);
    library.TF_SetAttrTensor(description, cName("value"), tensor, this.#status.pointer);
    library.TF_DeleteTensor(tensor);
    const operation = this.#finishOperation(
      description,
      () => `Cannot record a constant of ${describeTensor(dtype, shape)} in "${this.#name}"`,
    );
    return this.#addNode("Const", operation, 0).id;
  }

  /** tfjs disposed it; the node stays, for later nodes may use its result. */
  deleteTensor(id: number): void {
    this.#live.delete(id);
  }

  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    return this.#record(opName, attributes, inputs, outputCount);
  }

  metadata(id: number): TensorMetadata {
    return this.#node(id);
  }

  /** The op that made a recorded tensor. */
  opName(id: number): string {
    return this.#node(id).opName;
  }

  /**
   * The graph as a TF_Function; the caller deletes it.
   * @param functionName unique in the context
   */
  finish(functionName: string, inputs: readonly number[], outputs: readonly number[]): Pointer {
    // An output may be an input, a constant, or given twice: a node of its own suits all cases.
    const results = outputs.map((id) => {
      const type = { name: "T", type: AttributeType.type, value: this.#node(id).dtype };
      return this.#record("Identity", [type], [id], 1)[0].id;
    });
    const pointer = this.#library.TF_GraphToFunction(
      this.#graph,
      new TextEncoder().encode(functionName + "\0"),
      0, // append_hash_to_fn_name
      -1, // num_opers: all
      null,
      inputs.length,
      this.#outputList(inputs),
      results.length,
      this.#outputList(results),
      null, // output_names
      null, // opts
      null, // description
      this.#status.pointer,
    );
    this.#status.check(() => `Cannot make a TensorFlow function of "${this.#name}"`);
    return nonNull(pointer, "TF_GraphToFunction");
  }

  /** Frees the graph; a finished function does not need it. */
  delete(): void {
    this.#library.TF_DeleteGraph(this.#graph);
    this.#status.delete();
  }

  #record(
    opName: string,
    attributes: readonly OpAttribute[],
    inputs: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const library = this.#library;
    const action = () => {
      const operands = inputs.map((id) => this.#describe(id)).join(", ");
      return `Cannot record op "${opName}" on ${operands || "no inputs"} in "${this.#name}"`;
    };
    const nodes = this.#definitions.split(opName, inputs, attributes)
      .map((input) => typeof input === "number" ? this.#node(input) : input);
    const description = this.#newOperation(opName);
    for (const node of nodes) {
      if ("output" in node) library.TF_AddInput(description, node.output);
      else library.TF_AddInputList(description, this.#outputList(node), node.length);
    }
    for (const attribute of attributes) setAttribute(this.#setters, description, attribute);
    const operation = this.#finishOperation(description, action);
    return Array.from({ length: outputCount }, (_, i) => this.#addNode(opName, operation, i));
  }

  #newOperation(opName: string): Pointer {
    const name = new TextEncoder().encode(`n${this.#operations++}\0`);
    return nonNull(
      this.#library.TF_NewOperation(this.#graph, cName(opName), name),
      "TF_NewOperation",
    );
  }

  /** Finishing also frees the description, so it must happen even after a failed attribute. */
  #finishOperation(description: Pointer, action: () => string): Pointer {
    const failedBefore = this.#status.failed;
    if (failedBefore) {
      const scratch = new Status(this.#library);
      this.#library.TF_FinishOperation(description, scratch.pointer);
      scratch.delete();
      this.#status.check(action);
    }
    const operation = this.#library.TF_FinishOperation(description, this.#status.pointer);
    this.#status.check(action);
    return nonNull(operation, "TF_FinishOperation");
  }

  /** @throws {EngineError} if the output's shape is known only when it is computed */
  #addNode(opName: string, operation: Pointer, index: number): TensorMetadata {
    const output = new Uint8Array(TF_OUTPUT_BYTES);
    const view = new DataView(output.buffer);
    view.setBigUint64(0, BigInt(Deno.UnsafePointer.value(operation)), true);
    view.setInt32(8, index, true);
    const node = {
      id: this.#ids.next(),
      dtype: this.#library.TF_OperationOutputType(output),
      shape: this.#shape(opName, output),
      opName,
      output,
    };
    this.#nodes.set(node.id, node);
    this.#live.add(node.id);
    return node;
  }

  #shape(opName: string, output: Uint8Array<ArrayBuffer>): number[] {
    const library = this.#library;
    const status = this.#status;
    const rank = library.TF_GraphGetTensorNumDims(this.#graph, output, status.pointer);
    status.check(() => `Cannot infer the shape of op "${opName}"`);
    const dims = new BigInt64Array(Math.max(rank, 1)).fill(-1n);
    if (rank >= 0) {
      library.TF_GraphGetTensorShape(this.#graph, output, dims, rank, status.pointer);
      status.check(() => `Cannot infer the shape of op "${opName}"`);
    }
    const shape = Array.from(dims.subarray(0, Math.max(rank, 0)), Number);
    if (rank < 0 || shape.some((size) => size < 0)) {
      throw new EngineError(
        `Cannot trace "${this.#name}": the shape of op "${opName}" depends on values, but a ` +
          "traced function has fixed shapes; use ops of fixed shape (e.g. a mask and tf.where " +
          'with three arguments), or compile with mode "eager"',
      );
    }
    return shape;
  }

  #node(id: number): Node {
    const node = this.#nodes.get(id);
    if (node === undefined) {
      throw new EngineError(
        `Cannot trace "${this.#name}": tensor ${id} does not belong to this trace; it was ` +
          "recorded by an earlier one, which should have returned it",
      );
    }
    return node;
  }

  #describe(id: number): string {
    const node = this.#nodes.get(id);
    return node === undefined ? "an unknown tensor" : describeTensor(node.dtype, node.shape);
  }

  #outputList(ids: readonly number[]): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(TF_OUTPUT_BYTES * ids.length);
    ids.forEach((id, i) => bytes.set(this.#node(id).output, TF_OUTPUT_BYTES * i));
    return bytes;
  }
}
