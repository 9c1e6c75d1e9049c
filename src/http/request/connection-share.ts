// Limits the connections of each client address, so that no client uses up all connections of a server.
import type { IncomingMessage, Server } from 'node:http';
import { BlockList, isIP, type Socket } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { networkOf } from '../../identity/network.ts';
import { CONNECTIONS_PER_ADDRESS_MAX, PENDING_GRACE_MS, PENDING_PER_ADDRESS_MAX } from '../limits.ts';

type ConnectionShareOptions = {
  /** Addresses and networks of proxies. They have no limit, because the connections of all clients come through them. */
  trustedProxies: readonly string[];
  log: Pick<FastifyBaseLogger, 'warn'>;
};

/** The open connections from one network, which is one IPv4 address or one IPv6 /64. */
type Network = {
  name: string;
  open: number;
  /** The number of connections that have not sent the header of a request yet. */
  pending: number;
  /**
   * Whether the limit was logged. It is logged only once until the network has no more connections, so that an attack does
   * not fill the log.
   */
  isLogged: boolean;
};

/**
 * Counts the connections of a server when they are accepted (with TLS, before the handshake). Closes the connections above
 * the limit.
 */
export function limitConnections(server: Server, { trustedProxies, log }: ConnectionShareOptions): void {
  const proxies = networkList(trustedProxies);
  const networks = new Map<string, Network>();
  /** The functions that end the time in which a connection counts as pending, by connection. */
  const settlers = new Map<string, () => void>();
  const close = (socket: Socket, { network, limit }: { network: Network; limit: number }) => {
    if (!network.isLogged)
      log.warn({ address: network.name, limit }, 'connections closed: the address has reached its limit');
    network.isLogged = true;
    socket.destroy();
  };
  server.on('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || hasAddress(proxies, remoteAddress)) return;
    const network = networkIn(networks, networkOf(remoteAddress));
    const limit = CONNECTIONS_PER_ADDRESS_MAX;
    if (network.open >= limit) return close(socket, { network, limit });
    countOpen(networks, network, socket);
    const settle = countPending(network, () => close(socket, { network, limit: PENDING_PER_ADDRESS_MAX }));
    const key = endpointsOf(socket);
    settlers.set(key, settle);
    socket.once('close', () => {
      settle();
      // A new connection may already use the same addresses and ports as this closed one. Then the entry belongs to the new
      // connection.
      if (settlers.get(key) === settle) settlers.delete(key);
    });
  });
  server.on('request', ({ socket }: IncomingMessage) => settlers.get(endpointsOf(socket))?.());
}

function networkIn(networks: Map<string, Network>, name: string): Network {
  const network = networks.get(name) ?? { name, open: 0, pending: 0, isLogged: false };
  networks.set(name, network);
  return network;
}

function countOpen(networks: Map<string, Network>, network: Network, socket: Socket): void {
  network.open += 1;
  socket.once('close', () => {
    network.open -= 1;
    if (network.open === 0) networks.delete(network.name);
  });
}

/**
 * Counts a connection as pending until the returned function is called. After PENDING_GRACE_MS, calls `close` if the
 * connection is still pending and its network has too many pending connections.
 */
function countPending(network: Network, close: () => void): () => void {
  let isPending = true;
  network.pending += 1;
  const settle = () => {
    clearTimeout(grace);
    if (isPending) network.pending -= 1;
    isPending = false;
  };
  const grace = setTimeout(() => {
    if (network.pending <= PENDING_PER_ADDRESS_MAX) return;
    // Decrements the count at once. So if many connections are late at the same moment, only those above the limit are
    // closed.
    settle();
    close();
  }, PENDING_GRACE_MS).unref();
  return settle;
}

/**
 * Returns the key of a connection. With TLS, a request has another socket than the accepted connection, but the same
 * addresses and ports.
 */
function endpointsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** Returns the list of these addresses and CIDRs. The configuration has already validated them. */
function networkList(items: readonly string[]): BlockList {
  const list = new BlockList();
  for (const item of items) {
    const [address = '', prefix] = item.split('/');
    const family = familyOf(address);
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

/** Whether the list contains an address. An IPv4 address in IPv6 form (::ffff:10.0.0.1) matches IPv4 entries. */
function hasAddress(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}
