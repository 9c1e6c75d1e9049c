// The handlers of the endpoints for applications.
import { getApplication, listApplications } from '../../catalog/applications.ts';
import { reader } from '../handler.ts';

export const applicationHandlers = {
  listApplications: reader(listApplications),
  getApplication: reader(getApplication),
};
