/** Which image of an ODIM file is read: DBZH before DBZ before TH before RATE before ACRR. */
import { DatasetError } from "./dataset.ts";
import { hdf5Attribute, Hdf5Dataset, type Hdf5File, Hdf5Group, hdf5Member } from "./hdf5_file.ts";
import { odimQuantities, type RadarChoice } from "./radar_frame.ts";

/** A file of OPERA has a handful. */
const groupsMax = 200;

type Attribute = (name: string) => string | number | undefined;

export interface OdimImage {
  /** E.g. "dataset1/data1". */
  readonly name: string;
  readonly image: Hdf5Dataset;
  readonly quantity: string;
  /** Attributes of `what`, `how` and `where`, those nearest to the image first. */
  readonly what: Attribute;
  readonly how: Attribute;
  readonly where: Attribute;
}

/** @throws {DatasetError} if none is of rain, or it is not told which of several is meant */
export function findOdimImage(
  file: Hdf5File,
  path: string,
  { quantity, image: wanted }: RadarChoice,
): OdimImage {
  const images = allImages(file, path);
  const named = images.filter(({ name }) => wanted === undefined || name === wanted);
  const accepted = quantity === undefined ? odimQuantities : [quantity];
  for (const each of accepted) {
    const found = named.filter((image) => image.quantity === each);
    if (found.length === 1) return found[0];
    if (found.length > 1) {
      throw new DatasetError(
        `Cannot tell which image of "${path}" to take: ${each} is held by ` +
          found.slice(0, 4).map(inWords).join(", ") +
          `${found.length > 4 ? ` and ${found.length - 4} more` : ""}; choose one with ` +
          `--dataset-options image=${found[0].name}`,
      );
    }
  }
  const held = images.slice(0, 8).map(inWords).join(", ");
  throw new DatasetError(
    `Cannot use "${path}": no image ${wanted ?? "dataset*/data*"}/data of ${
      accepted.join(", ")
    }, found ${held === "" ? "no image" : held}`,
  );
}

/** "DBZH in dataset1/data1 (CAPPI 1000)" */
function inWords({ name, quantity, what }: OdimImage): string {
  const product = [what("product"), what("prodpar")].filter((part) => part !== undefined);
  return `${quantity} in ${name}${product.length === 0 ? "" : ` (${product.join(" ")})`}`;
}

function allImages(file: Hdf5File, path: string): OdimImage[] {
  const images: OdimImage[] = [];
  for (const dataset of numbered(file, "dataset", path)) {
    const group = hdf5Member(file, dataset);
    if (!(group instanceof Hdf5Group)) continue;
    for (const data of numbered(group, "data", path)) {
      const name = `${dataset}/${data}`;
      const image = hdf5Member(group, `${data}/data`);
      if (!(image instanceof Hdf5Dataset)) continue;
      const levels = [name, dataset, ""];
      const attributeOf = (kind: string): Attribute => {
        const groups = levels
          .map((level) => hdf5Member(file, level === "" ? kind : `${level}/${kind}`))
          .filter((found) => found instanceof Hdf5Group);
        return (attribute) =>
          groups.map((found) => hdf5Attribute(found, attribute))
            .find((value) => value !== undefined);
      };
      const what = attributeOf("what");
      const quantity = String(what("quantity") ?? "without a quantity").trim();
      images.push({
        ...{ name, image, quantity, what },
        ...{ how: attributeOf("how"), where: attributeOf("where") },
      });
    }
  }
  return images;
}

/** dataset2 before dataset10. */
function numbered(group: Hdf5Group, kind: string, path: string): string[] {
  const number = (name: string) => Number(name.slice(kind.length));
  const names = group.keys().filter((name) => new RegExp(`^${kind}\\d+$`).test(name));
  if (names.length > groupsMax) {
    throw new DatasetError(
      `Cannot use "${path}": it holds ${names.length} groups ${kind}N, at most ${groupsMax} are read`,
    );
  }
  return names.sort((one, two) => number(one) - number(two));
}
