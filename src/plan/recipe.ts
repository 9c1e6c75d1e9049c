// A recipe, as stored in the row of its product. docs/recipes.md describes the fields. src/recipes reads and checks the
// files.
import { type Static, Type } from 'typebox';
import { Word } from '../contract/field.ts';
import { PACKAGING_TYPES } from '../contract/vocabulary.ts';
import { ChartFile, ValuesPath } from './chart-plan.ts';
import { Digest } from './descriptor.ts';
import { Environment, HealthCheck, ImageUser, PlannedFile, ProductTest } from './image-plan.ts';
import { storedValue } from './stored-value.ts';

const Texts = Type.Array(Type.String());

const License = Type.Object({
  key: Type.String(),
  name: Type.Optional(Type.String()),
  path: Type.Optional(Type.String()),
  branches: Type.Optional(Texts),
});

/**
 * A file that the recipe adds to the image. `source` is its path in the recipe's folder `files/`. Plans contain the other
 * fields unchanged.
 */
const RecipeFile = Type.Object({ ...PlannedFile.properties, source: Type.String() });

const Input = Type.Object({
  purl: Type.String(),
  main: Type.Optional(Type.Boolean()),
  operating_systems: Type.Optional(Texts),
});

/** The Helm chart of the product, with the library charts that it contains. */
const RecipeChart = Type.Object({
  name: Type.String(),
  /** The part of the version that the author sets, such as `1.0`. */
  series: Type.String(),
  files: Type.Array(ChartFile),
  /** Files with sets of test values. */
  test_values: Type.Optional(Type.Array(ChartFile)),
  /**
   * The places in the chart's values that name an image of a product in the library. Other images have no product in the
   * library, and their places stay empty.
   */
  images: Type.Array(Type.Object({ place: ValuesPath, product: Type.String() })),
});
export type RecipeChart = Static<typeof RecipeChart>;

export const Recipe = Type.Object({
  format: Type.Literal(1),
  key: Type.String(),
  name: Type.String(),
  legal_name: Type.Optional(Type.String()),
  description: Type.String(),
  long_display_name: Type.String(),
  disclaimer: Type.String(),
  category: Type.String(),
  licenses: Type.Array(License),
  home_url: Type.String(),
  icon: Type.Optional(Type.Object({ source: Type.String(), digest: Digest, size: Type.Integer() })),
  parent: Type.Optional(Type.String()),
  packaging_types: Type.Array(Word(PACKAGING_TYPES, 'What the product is offered as.')),
  branch: Type.Object({ components: Type.Integer() }),
  operating_systems: Texts,
  inputs: Type.Array(Input),
  life_cycle: Type.Optional(Type.Array(Type.Object({ branch: Type.String(), end_of_life: Type.String() }))),
  user: ImageUser,
  environment: Type.Optional(Environment),
  entrypoint: Texts,
  command: Type.Optional(Texts),
  working_directory: Type.String(),
  stop_signal: Type.Optional(Type.String()),
  ports: Type.Array(
    Type.Object({
      port: Type.Integer(),
      protocol: Type.Optional(Type.Union([Type.Literal('tcp'), Type.Literal('udp')])),
    }),
  ),
  volumes: Type.Optional(Texts),
  folders: Type.Optional(
    Type.Array(Type.Object({ path: Type.String(), mode: Type.String(), uid: Type.Integer(), gid: Type.Integer() })),
  ),
  files: Type.Array(RecipeFile),
  links: Type.Optional(Type.Array(Type.Object({ path: Type.String(), target: Type.String() }))),
  remove: Type.Optional(Texts),
  health: Type.Optional(HealthCheck),
  labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  tests: Type.Array(ProductTest),
  test_environment: Type.Optional(Environment),
  chart: Type.Optional(RecipeChart),
});
export type Recipe = Static<typeof Recipe>;

/** Reads the recipe in the row of a product. `id` is the key of the product. */
export const readStoredRecipe = storedValue('recipe of product', Recipe);
