// Preloaded: what a program calls on port 443 of a name is a listener of this machine, as `curl --connect-to` has it.
// CONNECT_TO is a list of NAME=PORT. Programs stay as they are published.
import net from 'node:net'
import tls from 'node:tls'

const ports = new Map(process.env.CONNECT_TO.split(' ').map((pair) => pair.split('=')))
for (const module of [net, tls]) {
  const connect = module.connect
  module.connect = (...given) => {
    const [options, ...rest] = given
    const port = ports.get(options?.host ?? options?.hostname)
    if (port === undefined) return connect(...given)
    return connect({ ...options, host: '127.0.0.1', port: Number(port), servername: options.servername }, ...rest)
  }
}
