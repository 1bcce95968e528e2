// A service that registers with eureka-js-client and looks up another one.
// Arguments: port of the registry, path, and whether to fetch deltas.
'use strict';

const readline = require('readline');
const { Eureka } = require('eureka-js-client');

const [port, servicePath, delta] = process.argv.slice(2);
const client = new Eureka({
  shouldUseDelta: delta === 'true',
  instance: {
    app: 'node-service',
    instanceId: '127.0.0.1:node:8080',
    hostName: '127.0.0.1',
    ipAddr: '127.0.0.1',
    statusPageUrl: 'http://127.0.0.1:8080/info',
    port: { $: 8080, '@enabled': 'true' },
    vipAddress: 'node.service',
    dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
    metadata: { zone: 'z1', '1a_b c': 'odd' },
  },
  eureka: {
    host: '127.0.0.1', port: Number(port), servicePath,
    heartbeatInterval: 200, registryFetchInterval: 100, maxRetries: 20, requestRetryDelay: 50,
  },
});
client.logger.level('warn');

let seen;
client.on('registered', () => console.log('REGISTERED'));
client.on('deregistered', () => console.log('DEREGISTERED'));
setInterval(() => { // no event says that a delta has been read
  const ids = client.getInstancesByAppId('ORDERS').map((i) => `${i.instanceId}@${i.port.$}`).sort();
  const vips = client.getInstancesByVipAddress('orders').length;
  const report = `ORDERS ${vips} ${ids.join(' ')}`.trim();
  if (report !== seen) {
    seen = report;
    console.log(report);
  }
}, 20);
client.start((err) => console.log(err ? `FAILED ${err.message}` : 'STARTED'));

readline.createInterface({ input: process.stdin }).on('close', () => {
  setTimeout(() => process.exit(1), 20000); // without a registry, it would try for long
  client.stop((err) => {
    console.log(err ? `FAILED ${err.message}` : 'STOPPED');
    process.exit(err ? 1 : 0);
  });
});
