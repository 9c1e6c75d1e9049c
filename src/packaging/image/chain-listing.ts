// The merged listing of the lower layers of an image. It is kept while layers are added to the image, so that each layer is
// read only once.
import type { ContentStore } from '../../content/content.ts';
import { IMAGE_LIMITS } from '../../oci/layer-limits.ts';
import { listLayer } from '../../oci/layer-listing.ts';
import type { LayerPin } from '../../plan/pin.ts';
import { ArchiveMeter } from '../../tar/archive-meter.ts';
import { EntryTable } from '../../tar/entry-table.ts';
import { layOver } from '../../tar/listing.ts';
import type { MergedListing } from '../../tar/listing-entry.ts';

/**
 * The merged listing of a growing chain of layers. Use it for one image at a time: each call of `below` changes the listing
 * that the last call returned.
 */
export class ChainListing {
  readonly #content: ContentStore;
  #layers: LayerPin[] = [];
  #merged = new EntryTable();
  #meter = new ArchiveMeter(IMAGE_LIMITS);

  constructor(content: ContentStore) {
    this.#content = content;
  }

  /**
   * Returns the merged listing of the first `count` layers. Reads only the layers that the last call has not read. If the
   * last call was for other layers, reads all of them. Throws the errors of `listLayer`. The limits apply to the whole image.
   */
  async below(layers: readonly LayerPin[], count: number): Promise<MergedListing> {
    const wanted = layers.slice(0, count);
    if (!this.#layers.every(({ diff_id }, index) => wanted[index]?.diff_id === diff_id)) this.#restart();
    for (const layer of wanted.slice(this.#layers.length)) {
      const { descriptor, diff_id: diffId } = layer;
      try {
        this.#merged = await layOver(
          this.#merged,
          listLayer(this.#content, descriptor, { diffId, meter: this.#meter }),
        );
      } catch (error) {
        // The table may contain a part of the layer that failed, so it cannot be used any more.
        this.#restart();
        throw error;
      }
      this.#layers.push(layer);
    }
    return this.#merged;
  }

  #restart(): void {
    this.#layers = [];
    this.#merged = new EntryTable();
    this.#meter = new ArchiveMeter(IMAGE_LIMITS);
  }
}
