// The handlers of the endpoints for notification providers. Seals the secrets before they are stored.
import { listNotificationDeliveries, testNotificationProvider } from '../../catalog/notification-deliveries.ts';
import {
  createNotificationProvider as create,
  deleteNotificationProvider,
  getNotificationProvider,
  listNotificationProviders,
  listNotificationTypes,
  updateNotificationProvider as update,
  updateNotificationTypes,
} from '../../catalog/notification-providers.ts';
import { type Handler, reader, writer } from '../handler.ts';

const createNotificationProvider: Handler<'createNotificationProvider'> = ({ caller, identity, write }, input) =>
  write((tx) => create(tx, caller, input, { seal: identity.seal }));

const updateNotificationProvider: Handler<'updateNotificationProvider'> = ({ caller, identity, write }, input) =>
  write((tx) => update(tx, caller, input, { seal: identity.seal, unseal: identity.unseal }));

export const notificationHandlers = {
  listNotificationTypes,
  listNotificationProviders: reader(listNotificationProviders),
  createNotificationProvider,
  getNotificationProvider: reader(getNotificationProvider),
  updateNotificationProvider,
  deleteNotificationProvider: writer(deleteNotificationProvider),
  updateNotificationTypes: writer(updateNotificationTypes),
  listNotificationDeliveries: reader(listNotificationDeliveries),
  testNotificationProvider: writer(testNotificationProvider),
};
