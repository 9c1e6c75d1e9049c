// The chart of nginx in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('nginx');
