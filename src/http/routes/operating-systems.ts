// The handlers of the endpoints for operating systems.
import { getOperatingSystem, listOperatingSystems } from '../../catalog/operating-systems.ts';
import { reader } from '../handler.ts';

export const operatingSystemHandlers = {
  listOperatingSystems: reader(listOperatingSystems),
  getOperatingSystem: reader(getOperatingSystem),
};
