// The chart of PostgreSQL in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('postgresql');
