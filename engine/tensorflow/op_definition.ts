/**
 * Which inputs of an op are lists. A graph node takes each list in one call, while tfjs-node's
 * kernels pass all inputs flat; TensorFlow's own op definition says how to split them, so there is
 * no table of ops to keep.
 */
import { EngineError } from "../engine_error.ts";
import { cName, type NativeLibrary, nonNull, type Pointer } from "./ffi.ts";
import { AttributeType, type OpAttribute } from "./op_attribute.ts";
import { readFields } from "./protobuf.ts";
import { Status } from "./status.ts";

/** An input argument: a tensor, or a list whose length or types an attribute gives. */
export interface InputArgument {
  readonly name: string;
  /** The attribute that gives the length of a list; undefined for a single tensor. */
  readonly listAttribute: string | undefined;
}

const decoder = new TextDecoder();

/** Reads op definitions from a library, each once. */
export class OpDefinitions {
  readonly #library: NativeLibrary;
  readonly #inputs = new Map<string, readonly InputArgument[]>();

  constructor(library: NativeLibrary) {
    this.#library = library;
  }

  /** @throws {EngineError} if this TensorFlow has no such op */
  inputs(opName: string): readonly InputArgument[] {
    let inputs = this.#inputs.get(opName);
    if (inputs === undefined) {
      this.#inputs.set(opName, inputs = parseInputs(this.#definition(opName)));
    }
    return inputs;
  }

  /**
   * Splits an op's flat inputs into its arguments: a number for a single tensor, an array for a
   * list.
   * @throws {EngineError} if the inputs are too few or too many
   */
  split(
    opName: string,
    inputs: readonly number[],
    attributes: readonly OpAttribute[],
  ): (number | readonly number[])[] {
    const arguments_ = this.inputs(opName);
    const lists = arguments_.filter((argument) => argument.listAttribute !== undefined).length;
    let at = 0;
    const groups = arguments_.map(({ listAttribute }) => {
      if (listAttribute === undefined) return inputs[at++];
      const length = lists === 1
        ? inputs.length - (arguments_.length - 1)
        : listLength(listAttribute, attributes);
      return inputs.slice(at, at += length);
    });
    if (at !== inputs.length) {
      throw new EngineError(
        `Cannot record op "${opName}": its definition takes ${at} inputs here, but it was given ` +
          `${inputs.length}`,
      );
    }
    return groups;
  }

  #definition(opName: string): Uint8Array {
    const library = this.#library;
    const graph = nonNull(library.TF_NewGraph(), "TF_NewGraph");
    const buffer = nonNull(library.TF_NewBuffer(), "TF_NewBuffer");
    const status = new Status(library);
    try {
      library.TF_GraphGetOpDef(graph, cName(opName), buffer, status.pointer);
      status.check(() => `Cannot find the definition of op "${opName}"`);
      return copyBuffer(buffer);
    } finally {
      status.delete();
      library.TF_DeleteBuffer(buffer);
      library.TF_DeleteGraph(graph);
    }
  }
}

/** The bytes of a TF_Buffer, {const void* data; size_t length; …}. */
function copyBuffer(buffer: Pointer): Uint8Array {
  const view = new Deno.UnsafePointerView(buffer);
  const bytes = new Uint8Array(Number(view.getBigUint64(8)));
  if (bytes.length > 0) {
    Deno.UnsafePointerView.copyInto(nonNull(view.getPointer(0), "TF_Buffer"), bytes);
  }
  return bytes;
}

/** OpDef.input_arg is field 2; of its ArgDef, name is 1, number_attr 5 and type_list_attr 6. */
function parseInputs(definition: Uint8Array): readonly InputArgument[] {
  const inputs: InputArgument[] = [];
  for (const { field, value } of readFields(definition)) {
    if (field !== 2 || !(value instanceof Uint8Array)) continue;
    let name = "";
    let listAttribute: string | undefined;
    for (const { field, value: text } of readFields(value)) {
      if (!(text instanceof Uint8Array)) continue;
      if (field === 1) name = decoder.decode(text);
      if (field === 5 || field === 6) listAttribute = decoder.decode(text);
    }
    inputs.push({ name, listAttribute });
  }
  return inputs;
}

function listLength(name: string, attributes: readonly OpAttribute[]): number {
  const attribute = attributes.find((attribute) => attribute.name === name);
  if (attribute?.type === AttributeType.int) return Number(attribute.value);
  return Array.isArray(attribute?.value) ? attribute.value.length : 0;
}
