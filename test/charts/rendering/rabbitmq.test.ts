// The renderings of the chart of RabbitMQ.
import { testRendering } from '../rendering.ts';

testRendering('rabbitmq');
