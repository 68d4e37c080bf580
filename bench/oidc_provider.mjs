// Serves `oidc-provider`, installed in the directory that is named, with its in-memory adapter; prints its port.
import { generateKeyPairSync } from 'node:crypto';

const { default: Provider } = await import(`${process.argv[2]}/node_modules/oidc-provider/lib/index.js`);

const key = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }),
  use: 'sig',
  alg,
});
const signed = (alg) => ({ scope: 'orders:read', accessTokenFormat: 'jwt', jwt: { sign: { alg } } });
const resources = {
  'https://es256.example': signed('ES256'),
  'https://eddsa.example': signed('EdDSA'),
  'https://opaque.example': { scope: 'orders:read', accessTokenFormat: 'opaque' },
};

const provider = new Provider('http://127.0.0.1', {
  clients: [
    {
      client_id: 'bench',
      client_secret: 'bench-bench-bench-bench-bench-bench-bench-x',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'orders:read',
      id_token_signed_response_alg: 'ES256',
      token_endpoint_auth_method: 'client_secret_post',
    },
  ],
  scopes: ['orders:read'],
  jwks: { keys: [key('ec', { namedCurve: 'P-256' }, 'ES256'), key('ed25519', {}, 'EdDSA')] },
  ttl: { ClientCredentials: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => resources[resource] },
  },
});

const server = provider.listen(0, '127.0.0.1', () => console.log(server.address().port));
