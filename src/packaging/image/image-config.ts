// Builds the config of a finished image from the recipe's settings, the variables and labels of the base image, and the
// labels that OCI defines (annotations.md).
import type { ImageConfig } from '../../oci/descriptor.ts';
import type { ImagePlan } from '../../plan/image-plan.ts';
import { IMAGE_PATH, timeOf } from './image.ts';

const NANOSECONDS = 1_000_000_000;

export type ConfigInput = {
  base: ImageConfig;
  /** All variables of the image: from the base image, the recipe and the customizations. */
  environment: Record<string, string>;
  /** Labels that the customizations add. */
  labels: Record<string, string>;
};

/** Returns an image's variables as a record. The record always has PATH. */
export function readEnvironment({ config }: ImageConfig): Record<string, string> {
  const pairs = (config?.Env ?? []).map((line): [string, string] => {
    const equals = line.indexOf('=');
    return equals < 0 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
  });
  return { PATH: IMAGE_PATH, ...Object.fromEntries(pairs) };
}

/** Returns the config and annotations of the image. The user is a number, so that Kubernetes can check runAsNonRoot. */
export function imageConfig(
  plan: ImagePlan,
  { base, environment, labels }: ConfigInput,
): { config: NonNullable<ImageConfig['config']>; annotations: Record<string, string> } {
  const { image } = plan;
  const standard = standardLabels(plan);
  const ports = image.ports.map(({ port, protocol }): [string, Record<string, never>] => [`${port}/${protocol}`, {}]);
  const volumes = image.volumes.map((path): [string, Record<string, never>] => [path, {}]);
  return {
    annotations: standard,
    config: {
      User: String(image.user.uid),
      Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      ...(image.entrypoint.length > 0 ? { Entrypoint: image.entrypoint } : {}),
      ...(image.command.length > 0 ? { Cmd: image.command } : {}),
      ...(ports.length > 0 ? { ExposedPorts: Object.fromEntries(ports) } : {}),
      ...(volumes.length > 0 ? { Volumes: Object.fromEntries(volumes) } : {}),
      ...(image.working_directory === '' ? {} : { WorkingDir: image.working_directory }),
      ...(image.stop_signal === undefined ? {} : { StopSignal: image.stop_signal }),
      ...(image.health === undefined
        ? {}
        : {
            Healthcheck: {
              Test: ['CMD', ...image.health.command],
              Interval: image.health.interval_seconds * NANOSECONDS,
              Timeout: image.health.timeout_seconds * NANOSECONDS,
              Retries: image.health.retries,
            },
          }),
      Labels: { ...inheritedLabels(base), ...standard, ...image.labels, ...labels },
    },
  };
}

/** Returns the labels of the base image, without labels that describe the base image itself. */
function inheritedLabels({ config }: ImageConfig): Record<string, string> {
  return Object.fromEntries(
    Object.entries(config?.Labels ?? {}).filter(([name]) => !name.startsWith('org.opencontainers.image.')),
  );
}

function standardLabels({ product, base, operating_system, epoch }: ImagePlan): Record<string, string> {
  const values: Record<string, string | undefined> = {
    'base.digest': base.digest,
    'base.name': base.name,
    created: timeOf(epoch),
    description: product.description,
    documentation: product.home_url,
    licenses: product.licenses.length > 0 ? product.licenses.join(' AND ') : undefined,
    'ref.name': `${product.version}-${operating_system}`,
    source: product.home_url,
    title: product.key,
    vendor: 'Larder',
    version: product.version,
  };
  const known = Object.entries(values).filter((pair): pair is [string, string] => pair[1] !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [`org.opencontainers.image.${name}`, value]));
}
