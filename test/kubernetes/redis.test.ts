// The chart of Redis in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('redis');
