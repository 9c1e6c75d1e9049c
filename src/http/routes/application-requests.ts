// The handlers of the endpoints for application requests.
import {
  createApplicationRequest,
  getApplicationRequest,
  listApplicationRequests,
  listRequestsOfApplication,
} from '../../catalog/application-requests.ts';
import { reader, writer } from '../handler.ts';

export const applicationRequestHandlers = {
  listApplicationRequests: reader(listApplicationRequests),
  createApplicationRequest: writer(createApplicationRequest),
  getApplicationRequest: reader(getApplicationRequest),
  listRequestsOfApplication: reader(listRequestsOfApplication),
};
