// The handlers of the endpoints for the audit trail.
import { listAuditEvents } from '../../catalog/audit-events.ts';
import { reader } from '../handler.ts';

export const auditEventHandlers = { listAuditEvents: reader(listAuditEvents) };
