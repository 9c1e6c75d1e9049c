// The handlers of the endpoints for base images.
import {
  createBaseImage,
  deleteBaseImage,
  getBaseImage,
  listBaseImages,
  updateBaseImage,
} from '../../catalog/base-images.ts';
import { requestBaseImageCheck } from '../../catalog/registry-checks.ts';
import { reader, writer } from '../handler.ts';

export const baseImageHandlers = {
  listBaseImages: reader(listBaseImages),
  createBaseImage: writer(createBaseImage),
  getBaseImage: reader(getBaseImage),
  updateBaseImage: writer(updateBaseImage),
  deleteBaseImage: writer(deleteBaseImage),
  checkBaseImage: writer(requestBaseImageCheck),
};
