// The handlers of the endpoints for waves and for rebuilds of applications.
import { getWave, listWaves } from '../../catalog/read-waves.ts';
import { rebuildApplication, rebuildApplications } from '../../catalog/rebuilds.ts';
import { reader, writer } from '../handler.ts';

export const waveHandlers = {
  listWaves: reader(listWaves),
  getWave: reader(getWave),
  rebuildApplication: writer(rebuildApplication),
  rebuildApplications: writer(rebuildApplications),
};
