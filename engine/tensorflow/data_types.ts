/** TF_DataType of `tensorflow/c/tf_datatype.h`: the numbers, their names and their sizes. */
export const DataType = {
  float32: 1,
  float64: 2,
  int32: 3,
  uint8: 4,
  string: 7,
  complex64: 8,
  int64: 9,
  bool: 10,
  bfloat16: 14,
  resource: 20,
} as const;

const NAMES = new Map<number, string>(
  Object.entries(DataType).map(([name, code]) => [code, name]),
);

/** Bytes of one element; types of varying size (string, resource) are absent. */
export const ELEMENT_BYTES: ReadonlyMap<number, number> = new Map([
  [DataType.float32, 4],
  [DataType.float64, 8],
  [DataType.int32, 4],
  [DataType.uint8, 1],
  [DataType.complex64, 8],
  [DataType.int64, 8],
  [DataType.bool, 1],
  [DataType.bfloat16, 2],
]);

/** The name of a TF_DataType, e.g. "float32". */
export function dataTypeName(code: number): string {
  return NAMES.get(code) ?? `TF_DataType ${code}`;
}

/** How error messages write a tensor, e.g. "float32 [2,3]". */
export function describeTensor(dtype: number, shape: readonly number[]): string {
  return `${dataTypeName(dtype)} [${shape.join(",")}]`;
}
