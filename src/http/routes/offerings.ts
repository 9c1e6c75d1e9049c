// The handlers of the endpoints for offerings.
import { getOffering, listOfferings } from '../../catalog/offerings.ts';
import { reader } from '../handler.ts';

export const offeringHandlers = { listOfferings: reader(listOfferings), getOffering: reader(getOffering) };
