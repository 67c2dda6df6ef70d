/**
 * The machine that `synthvm boot` starts comes to its login prompt, however the host is disturbed.
 * `synthvm explore scenarios/drivers/default-boot.ts` boots it a thousand times.
 */
import { scenario } from 'synthvm';

scenario('the default machine boots', { generation: 2 }, ({ vm }) => vm.boot({ within: '60s' }));
