// The handlers of the endpoints for releases.
import { getReleaseFailure } from '../../catalog/release-failures.ts';
import { getRelease, listReleases } from '../../catalog/releases.ts';
import { reader } from '../handler.ts';

export const releaseHandlers = {
  listReleases: reader(listReleases),
  getRelease: reader(getRelease),
  getReleaseFailure: reader(getReleaseFailure),
};
