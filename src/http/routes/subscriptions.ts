// The handlers of the endpoints for subscriptions and quotas.
import { getQuotas } from '../../catalog/quotas.ts';
import { getSubscription, listSubscriptions } from '../../catalog/subscriptions.ts';
import { reader } from '../handler.ts';

export const subscriptionHandlers = {
  getQuotas: reader(getQuotas),
  listSubscriptions: reader(listSubscriptions),
  getSubscription: reader(getSubscription),
};
