/** inetd(8)'s own services over TCP: echo and discard. */
import type { NetStack } from './stack.ts';
import type { TcpConnection } from './tcp-connection.ts';

export const ECHO_PORT = 7;
export const DISCARD_PORT = 9;

export function startInetd(stack: NetStack): void {
  stack.tcp.listen(ECHO_PORT, (connection) => serve(connection, true));
  stack.tcp.listen(DISCARD_PORT, (connection) => serve(connection, false));
}

function serve(connection: TcpConnection, isEcho: boolean): void {
  connection.onData = (from) => {
    const bytes = from.take(isEcho ? from.sendRoom : undefined);
    if (isEcho) from.push(bytes, 0, bytes.length);
    if (from.state === 'CLOSE_WAIT' && from.available === 0) from.close();
  };
}
