// The chart of Memcached in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('memcached');
