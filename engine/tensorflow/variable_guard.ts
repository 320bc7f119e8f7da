/**
 * Variables around a trace. A trace reads a variable by its data, so two variables must not share
 * data; and since a trace runs no op, it must leave every variable as it was.
 */
import { EngineError } from "../engine_error.ts";
import { tf } from "../tf.ts";
import type { DataId, TracingBackend } from "./backend.ts";

export class VariableGuard {
  readonly byData: ReadonlyMap<DataId, tf.Variable>;
  readonly #held: ReadonlyMap<tf.Variable, tf.Tensor>;

  /** Call it outside of the trace's scope. */
  constructor(backend: TracingBackend) {
    const variables = liveVariables();
    // tf.variable(x) shares the data of x, and another variable may too: give each its own.
    for (const variable of variables.filter(({ dataId }) => backend.refCount(dataId) > 1)) {
      const copy = tf.tidy(() => tf.reshape(tf.reshape(variable, [-1]), variable.shape));
      variable.assign(copy);
      copy.dispose();
    }
    this.byData = new Map(variables.map((variable) => [variable.dataId, variable]));
    this.#held = new Map(variables.map((variable) => [variable, tf.keep(tf.clone(variable))]));
  }

  /** Puts every variable back, and returns what the traced function did to one, if anything. */
  restore(name: string): EngineError | undefined {
    let failure: EngineError | undefined;
    for (const [variable, before] of this.#held) {
      if (variable.isDisposed) {
        failure ??= refuse(name, "disposes", variable);
      } else if (variable.dataId !== before.dataId) {
        variable.assign(before);
        failure ??= refuse(name, "assigns", variable);
      }
      before.dispose();
    }
    for (const variable of liveVariables().filter((variable) => !this.#held.has(variable))) {
      failure ??= refuse(name, "creates", variable);
      variable.dispose();
    }
    return failure;
  }
}

function liveVariables(): tf.Variable[] {
  return Object.values(tf.engine().registeredVariables);
}

function refuse(name: string, verb: string, variable: tf.Variable): EngineError {
  return new EngineError(
    `Cannot trace "${name}": it ${verb} the variable "${variable.name}", which would happen once ` +
      "and not at every call; create variables before, and return new values to assign them after",
  );
}
