// A request for the chart of Redis in the whole service.
import { type Service, until } from '../service.ts';

/** Requests the chart on Debian 12, and waits until it and its images are released. Throws the pipelines if one failed. */
export async function requestRedisChart({ client, catalog_id }: Service): Promise<void> {
  const base = (await client.call('listBaseImages', {})).items.find(({ name }) => name === 'Debian 12');
  const wanted = { product_key: 'redis', operating_system_name: 'Debian 12', packaging_types: ['HELM_CHART' as const] };
  const offerings = await client.call('listOfferings', wanted);
  const { id: application_request_id } = await client.call('createApplicationRequest', {
    ...{ catalog_id, kind: 'CREATION' as const, name: 'chart', base_image_id: base?.id ?? '' },
    application_offering_ids: offerings.items.map(({ id }) => id),
  });
  await until('the chart is released', async () => {
    const { status } = await client.call('getApplicationRequest', { catalog_id, application_request_id });
    if (status === 'FAILED') throw new Error(JSON.stringify(await client.call('listPipelines', { catalog_id })));
    return status === 'COMPLETED';
  });
}
