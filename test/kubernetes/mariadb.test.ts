// The chart of MariaDB in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('mariadb');
