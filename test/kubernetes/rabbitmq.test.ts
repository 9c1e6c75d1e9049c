// The chart of RabbitMQ in a real Kubernetes API.
import { testChartInKubernetes } from './chart-life.ts';

testChartInKubernetes('rabbitmq');
